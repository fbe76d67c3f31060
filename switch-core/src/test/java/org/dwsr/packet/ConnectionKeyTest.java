package org.dwsr.packet;

import static org.assertj.core.api.Assertions.assertThat;

import org.dwsr.config.SeededRounds;
import org.junit.jupiter.api.Test;

class ConnectionKeyTest {
    @Test
    void shouldKeepAllThreePartsWhateverTheirHighestBits() {
        SeededRounds.forAll(1_000, random -> {
            int address = random.nextInt();
            int clientPort = random.nextInt(65536);
            int servicePort = random.nextInt(65536);
            long key = ConnectionKey.of(address, clientPort, servicePort);
            assertThat(ConnectionKey.clientAddress(key)).isEqualTo(address);
            assertThat(ConnectionKey.clientPort(key)).isEqualTo(clientPort);
            assertThat(ConnectionKey.servicePort(key)).isEqualTo(servicePort);
        });
    }

    @Test
    void shouldHaveTheDocumentedLayout() {
        assertThat(ConnectionKey.of(0xc0a8_0102, 0xffff, 0x8000)).isEqualTo(0xc0a8_0102_ffff_8000L);
    }

    @Test
    void shouldReadAsPeopleWriteIt() {
        assertThat(ConnectionKey.format(ConnectionKey.of(0xff0a_0001, 40000, 80)))
                .isEqualTo("255.10.0.1:40000>80");
    }
}
