/** Choosing a server of a pool for a request that has no session cookie. */
@NullMarked
package org.dwsr.pool;

import org.jspecify.annotations.NullMarked;
