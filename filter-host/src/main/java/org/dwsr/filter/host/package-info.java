/** The host of the filter core: AF_PACKET ports, the agent's thread, the control channel and the counters' endpoint. */
@NullMarked
package org.dwsr.filter.host;

import org.jspecify.annotations.NullMarked;
