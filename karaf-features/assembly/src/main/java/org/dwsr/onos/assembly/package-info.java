/** Puts together the ONOS that the tests of the ONOS application run on. */
@NullMarked
package org.dwsr.onos.assembly;

import org.jspecify.annotations.NullMarked;
