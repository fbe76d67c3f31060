/** The web switch: packets and time in, decisions out. */
@NullMarked
package org.dwsr.switching;

import org.jspecify.annotations.NullMarked;
