/** Views over packet bytes that are checked once and then read freely, and the arithmetic that TCP needs. */
@NullMarked
package org.dwsr.packet;

import org.jspecify.annotations.NullMarked;
