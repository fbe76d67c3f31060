package org.dwsr.table;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * An open-addressing hash table from {@code long} to objects: linear probing, deletion by shifting back, no boxing
 * and no allocation but when it grows.
 *
 * <p>A walk may remove each element it visits, and still visits every element once, if it goes downwards and starts
 * below a free slot: removal shifts elements only downwards within their run, and no run spans a free slot.
 *
 * <pre>
 *   int free = table.freeSlot();
 *   for (int i = free + table.capacity() - 1; i &gt; free; i--) {
 *       V value = table.slot(i);
 *       ...
 * </pre>
 */
public final class LongKeyedTable<V> {
    private long[] keys = new long[16];
    private @Nullable Object[] values = new @Nullable Object[16];
    private int size;

    public int size() {
        return size;
    }

    public int capacity() {
        return keys.length;
    }

    /** A slot that is free; there always is one. */
    public int freeSlot() {
        int i = 0;
        while (values[i] != null) {
            i++;
        }
        return i;
    }

    /** The value in a slot, counted modulo {@link #capacity()}, null when it is free. */
    @SuppressWarnings("unchecked")
    public @Nullable V slot(int slot) {
        return (V) values[slot & keys.length - 1];
    }

    @SuppressWarnings("unchecked")
    public @Nullable V get(long key) {
        int mask = keys.length - 1;
        int i = hash(key) & mask;
        while (values[i] != null) {
            if (keys[i] == key) {
                return (V) values[i];
            }
            i = i + 1 & mask;
        }
        return null;
    }

    /** Puts a value, replacing an earlier one of the same key. */
    public void put(long key, V value) {
        if ((size + 1) * 3 > keys.length * 2) {
            grow();
        }
        int i = place(key);
        if (values[i] == null) {
            size++;
        }
        keys[i] = key;
        values[i] = value;
    }

    /** Removes and returns the value of a key; null when there is none. */
    @SuppressWarnings("unchecked")
    public @Nullable V remove(long key) {
        int mask = keys.length - 1;
        int i = place(key);
        Object found = values[i];
        if (found == null) {
            return null;
        }
        size--;
        int hole = i;
        int j = i;
        while (true) {
            j = j + 1 & mask;
            if (values[j] == null) {
                break;
            }
            int home = hash(keys[j]) & mask;
            boolean reachable = hole <= j ? hole < home && home <= j : hole < home || home <= j;
            if (!reachable) {
                keys[hole] = keys[j];
                values[hole] = values[j];
                hole = j;
            }
        }
        values[hole] = null;
        return (V) found;
    }

    public void clear() {
        Arrays.fill(values, null);
        size = 0;
    }

    private int place(long key) {
        int mask = keys.length - 1;
        int i = hash(key) & mask;
        while (values[i] != null && keys[i] != key) {
            i = i + 1 & mask;
        }
        return i;
    }

    private void grow() {
        long[] oldKeys = keys;
        @Nullable Object[] oldValues = values;
        keys = new long[oldKeys.length * 2];
        values = new @Nullable Object[oldKeys.length * 2];
        for (int i = 0; i < oldKeys.length; i++) {
            if (oldValues[i] != null) {
                int at = place(oldKeys[i]);
                keys[at] = oldKeys[i];
                values[at] = oldValues[i];
            }
        }
    }

    private static int hash(long key) {
        long h = key * 0x9e37_79b9_7f4a_7c15L;
        return (int) (h >>> 32);
    }
}
