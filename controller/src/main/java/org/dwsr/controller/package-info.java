/** The web switch without ONOS: an embedded OpenFlow 1.3 controller, the filters' control channel and the command. */
@NullMarked
package org.dwsr.controller;

import org.jspecify.annotations.NullMarked;
