package org.dwsr.controller;

import java.lang.reflect.Proxy;

/**
 * Unix signals. The JDK has them only in {@code sun.misc.Signal}, whose use javac warns of in a way that cannot be
 * suppressed; hence the reflection.
 */
final class ProcessSignal {
    private ProcessSignal() {}

    /** Runs something, on a thread of its own, whenever the signal (such as {@code HUP}) arrives; false if it cannot. */
    static boolean handle(String name, Runnable action) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object proxy =
                    Proxy.newProxyInstance(handler.getClassLoader(), new Class<?>[] {handler}, (self, method, args) -> {
                        if (method.getName().equals("handle")) {
                            action.run();
                        }
                        return null;
                    });
            signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance(name), proxy);
            return true;
        } catch (ReflectiveOperationException e) {
            return false;
        }
    }
}
