package org.dwsr.onos.runtime;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.onosproject.persistence.PersistenceService;
import org.onosproject.persistence.PersistentMapBuilder;
import org.onosproject.persistence.PersistentSetBuilder;
import org.onosproject.store.service.Serializer;
import org.osgi.service.component.annotations.Component;

/** Maps and sets by name that live as long as this process: nothing that a test needs outlives it. */
@Component(immediate = true, service = PersistenceService.class)
public final class MemoryPersistence implements PersistenceService {
    private final Map<String, Map<Object, Object>> maps = new ConcurrentHashMap<>();
    private final Map<String, Set<Object>> sets = new ConcurrentHashMap<>();

    @Override
    public <K, V> PersistentMapBuilder<K, V> persistentMapBuilder() {
        return new MapBuilder<>();
    }

    @Override
    public <E> PersistentSetBuilder<E> persistentSetBuilder() {
        return new SetBuilder<>();
    }

    private final class MapBuilder<K, V> implements PersistentMapBuilder<K, V> {
        private String name = "";

        @Override
        public PersistentMapBuilder<K, V> withName(String mapName) {
            name = mapName;
            return this;
        }

        @Override
        public PersistentMapBuilder<K, V> withSerializer(Serializer serializer) {
            return this;
        }

        @Override
        @SuppressWarnings("unchecked")
        public Map<K, V> build() {
            return (Map<K, V>) maps.computeIfAbsent(name, any -> new ConcurrentHashMap<>());
        }
    }

    private final class SetBuilder<E> implements PersistentSetBuilder<E> {
        private String name = "";

        @Override
        public PersistentSetBuilder<E> withName(String setName) {
            name = setName;
            return this;
        }

        @Override
        public PersistentSetBuilder<E> withSerializer(Serializer serializer) {
            return this;
        }

        @Override
        @SuppressWarnings("unchecked")
        public Set<E> build() {
            return (Set<E>) sets.computeIfAbsent(name, any -> ConcurrentHashMap.newKeySet());
        }
    }
}
