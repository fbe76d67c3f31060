/** The one configuration document, validated once and turned into an immutable model (DESIGN section 7). */
@NullMarked
package org.dwsr.config;

import org.jspecify.annotations.NullMarked;
