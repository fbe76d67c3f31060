/** The rule table (paper, figure 10): which content type a request is of. */
@NullMarked
package org.dwsr.rule;

import org.jspecify.annotations.NullMarked;
