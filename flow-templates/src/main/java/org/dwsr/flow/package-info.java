/** Flow pipelines as data: templates, their binding to a datapath, an in-memory flow table and ovs-ofctl text. */
@NullMarked
package org.dwsr.flow;

import org.jspecify.annotations.NullMarked;
