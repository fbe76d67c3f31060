/**
 * What an ONOS put together from the artifacts on Maven Central lacks before it can boot and speak OpenFlow 1.3: the
 * persistence service, and the providers of devices, packets and flow rules over ONOS's own OpenFlow controller. For
 * tests only; a stock ONOS has its own.
 */
@NullMarked
package org.dwsr.onos.runtime;

import org.jspecify.annotations.NullMarked;
