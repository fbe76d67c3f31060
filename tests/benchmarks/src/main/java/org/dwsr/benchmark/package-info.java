/** What a packet costs: JMH benchmarks of the filter's core and of the web switch's decision, and their table. */
@NullMarked
package org.dwsr.benchmark;

import org.jspecify.annotations.NullMarked;
