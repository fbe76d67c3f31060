package org.dwsr.switching;

import java.nio.ByteBuffer;
import java.util.List;
import org.dwsr.config.ContentTypeConfig;
import org.dwsr.config.DwsrConfig;
import org.dwsr.config.PoolConfig;
import org.dwsr.config.ServiceConfig;
import org.dwsr.http.RequestHead;
import org.dwsr.rule.RuleTable;
import org.dwsr.session.ServerFilter;
import org.dwsr.session.SessionCookies;

/**
 * Says of a request of one service where it belongs: its content type, that type's pool, and the server its session
 * cookie names.
 *
 * <p>The web switch and the guard of every host filter use the same class over the same configuration, so they cannot
 * disagree. Allocation-free once built.
 */
public final class RequestClassifier {
    public static final int NO_SERVER = -1;

    private final DwsrConfig config;
    private final ServiceConfig service;
    private final RuleTable rules;
    private final SessionCookies cookies;
    private final ServerFilter inPool = this::inPool;
    private PoolConfig poolOfCookie;

    /** A classifier for one service of a configuration. */
    public RequestClassifier(DwsrConfig config, ServiceConfig service) {
        this.config = config;
        this.service = service;
        rules = new RuleTable(service);
        cookies = new SessionCookies(config.sessionCookies());
        poolOfCookie = config.pools().get(0);
    }

    /** The session cookies of the configuration. */
    public SessionCookies cookies() {
        return cookies;
    }

    public ServiceConfig service() {
        return service;
    }

    /** The content type (0 to 46655) of a parsed request. */
    public int contentType(ByteBuffer buf, RequestHead head) {
        return rules.match(buf, head);
    }

    /** The pool that serves a content type of this service. */
    public PoolConfig pool(int contentType) {
        List<ContentTypeConfig> types = service.contentTypes();
        for (int i = 0; i < types.size(); i++) {
            if (types.get(i).id() == contentType) {
                return config.pools().get(types.get(i).poolIndex());
            }
        }
        throw new IllegalArgumentException("no content type " + contentType);
    }

    /** Tells whether this service has such a content type: a tag from elsewhere may name another. */
    public boolean hasContentType(int contentType) {
        return service.contentType(contentType) != null;
    }

    /**
     * The index of the server that the request's session cookie for this content type names, if that server is in the
     * content type's pool; else {@link #NO_SERVER}. A forged or outdated name therefore counts as no cookie.
     */
    public int cookieServer(ByteBuffer buf, RequestHead head, int contentType) {
        poolOfCookie = pool(contentType);
        int id = cookies.findServer(buf, head, contentType, inPool);
        return id < 0 ? NO_SERVER : config.serverIndexById(id);
    }

    private boolean inPool(int serverId) {
        int index = config.serverIndexById(serverId);
        return index >= 0 && poolOfCookie.contains(index);
    }
}
