/** Tables keyed by primitive values, without boxing. */
@NullMarked
package org.dwsr.table;

import org.jspecify.annotations.NullMarked;
