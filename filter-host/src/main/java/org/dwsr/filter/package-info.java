/** The host filter's decisions, without any input or output: frames and time in, verdicts and injected frames out. */
@NullMarked
package org.dwsr.filter;

import org.jspecify.annotations.NullMarked;
