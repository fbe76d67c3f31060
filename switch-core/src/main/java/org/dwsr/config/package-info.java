/** The one configuration document, validated once and turned into an immutable model (docs/configuration.md). */
@NullMarked
package org.dwsr.config;

import org.jspecify.annotations.NullMarked;
