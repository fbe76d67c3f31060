/** HTTP/1.x as bytes: strict request heads, response heads, body framing, and the web switch's own answers. */
@NullMarked
package org.dwsr.http;

import org.jspecify.annotations.NullMarked;
