/** Session persistence by cookie name rewriting (paper section IV). */
@NullMarked
package org.dwsr.session;

import org.jspecify.annotations.NullMarked;
