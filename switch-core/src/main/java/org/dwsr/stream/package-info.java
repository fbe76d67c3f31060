/** Byte streams put together from TCP segments. */
@NullMarked
package org.dwsr.stream;

import org.jspecify.annotations.NullMarked;
