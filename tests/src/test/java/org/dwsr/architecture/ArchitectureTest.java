package org.dwsr.architecture;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noMethods;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import java.io.IOException;
import java.lang.annotation.Annotation;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Calendar;
import java.util.Date;
import java.util.List;
import java.util.Random;
import java.util.Timer;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What may use what (ARCHITECTURE.md): the pure modules decide over bytes and time that they are given; the hosts
 * translate and call.
 *
 * <p>The classes of every module that has been built are read from where Maven puts them. Each rule is also held
 * against classes that are known to break it, so that none can pass by looking at nothing.
 */
class ArchitectureTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final String FILTER = "org.dwsr.filter";
    private static final String HOST_OF_FILTER = "org.dwsr.filter.host..";
    private static final String CONTROLLER = "org.dwsr.controller..";
    private static final String[] EMPTY_NAMES = {"Manager", "Util", "Utils", "Helper", "Impl", "Common", "Data", "Info"
    };
    private static final String[] BYTES_AND_COLLECTIONS = {
        "java.lang",
        "java.lang.annotation",
        "java.lang.invoke",
        "java.math",
        "java.nio",
        "java.nio.charset",
        "java.security",
        "java.util",
        "java.util.function",
        "java.util.regex",
        "java.util.stream",
        "javax.crypto..",
        "org.jspecify.annotations"
    };

    private static final JavaClasses ALL = readAll();
    private static final DescribedPredicate<JavaClass> FILTER_CORE =
            resideInAPackage(FILTER).and(not(resideInAPackage(HOST_OF_FILTER)));
    private static final JavaClasses CORE = ALL.that(areBuiltFrom("switch-core"));
    private static final JavaClasses FLOW = ALL.that(areBuiltFrom("flow-templates"));
    private static final JavaClasses FILTER_HOST = ALL.that(areBuiltFrom("filter-host"));
    private static final JavaClasses EMBEDDED = ALL.that(areBuiltFrom("controller"));
    private static final JavaClasses PURE = ALL.that(areBuiltFrom("switch-core")
            .or(areBuiltFrom("flow-templates"))
            .or(areBuiltFrom("filter-host").and(FILTER_CORE)));
    private static final JavaClasses HOSTS =
            ALL.that(areBuiltFrom("controller").or(areBuiltFrom("filter-host").and(not(FILTER_CORE))));

    /** The main classes of a module, wherever they reside. */
    private static DescribedPredicate<JavaClass> areBuiltFrom(String module) {
        String place = ROOT.resolve(module).resolve("target/classes").toUri().toString();
        return DescribedPredicate.describe("are built from " + module, type -> type.getSource()
                .map(source -> source.getUri().toString().startsWith(place))
                .orElse(false));
    }

    /** Main and test classes of every module there is, also of those that come later. */
    private static JavaClasses readAll() {
        List<Path> found = new ArrayList<>();
        try (DirectoryStream<Path> modules = Files.newDirectoryStream(ROOT, Files::isDirectory)) {
            for (Path module : modules) {
                for (String kind : new String[] {"classes", "test-classes"}) {
                    Path classes = module.resolve("target").resolve(kind);
                    if (Files.exists(module.resolve("pom.xml")) && Files.isDirectory(classes)) {
                        found.add(classes);
                    }
                }
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        assertThat(found)
                .contains(
                        ROOT.resolve("switch-core/target/classes"),
                        ROOT.resolve("switch-core/target/test-classes"),
                        ROOT.resolve("flow-templates/target/test-classes"),
                        ROOT.resolve("filter-host/target/test-classes"),
                        ROOT.resolve("controller/target/classes"),
                        ROOT.resolve("tests/target/test-classes"));
        return new ClassFileImporter().importPaths(found);
    }

    private static void assertBroken(ArchRule rule, JavaClasses by) {
        assertThatThrownBy(() -> rule.check(by))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("was violated");
    }

    @Nested
    class PureModules {
        private final DescribedPredicate<JavaClass> bytesAndCollections = resideInAnyPackage(BYTES_AND_COLLECTIONS)
                .or(resideInAPackage(FILTER))
                .or(resideInAPackage("org.dwsr.(*)..").and(not(resideInAnyPackage(HOST_OF_FILTER, CONTROLLER))))
                .or(DescribedPredicate.describe("arrays and primitives", type -> type.isArray() || type.isPrimitive()));

        @Test
        void shouldUseNothingButBytesAndCollections() {
            ArchRule rule = classes()
                    .should()
                    .onlyDependOnClassesThat(bytesAndCollections)
                    .because("sockets, files, logging, Netty, Jackson and jnr belong to the hosts");
            rule.check(PURE);
            assertBroken(rule, EMBEDDED);
            assertBroken(rule, FILTER_HOST);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "java.net..",
                    "java.util.logging..",
                    "org.slf4j..",
                    "io.netty..",
                    "com.fasterxml.jackson..",
                    "jnr..",
                    "java.util.concurrent..",
                    "java.io..",
                    "java.nio.file.."
                })
        void shouldNotTouchWhatBelongsToTheHosts(String packages) {
            ArchRule rule = noClasses().should().dependOnClassesThat().resideInAPackage(packages);
            rule.check(PURE);
            if (!packages.equals("java.util.logging..")) {
                assertBroken(rule, HOSTS);
            }
        }

        @Test
        void shouldStartNoThreadsAndTakeNoLocks() {
            ArchRule threads = noClasses()
                    .should()
                    .dependOnClassesThat()
                    .belongToAnyOf(
                            Thread.class,
                            ThreadLocal.class,
                            Runtime.class,
                            Process.class,
                            ProcessBuilder.class,
                            Timer.class);
            threads.check(PURE);
            assertBroken(threads, HOSTS);
            ArchRule locks = noMethods().should().haveModifier(JavaModifier.SYNCHRONIZED);
            locks.check(PURE);
            assertBroken(locks, new ClassFileImporter().importClasses(StringBuffer.class));
        }

        @Test
        void shouldReadNoClockAndDrawNoRandomNumber() {
            ArchRule system = noClasses()
                    .should()
                    .callMethod(System.class, "nanoTime")
                    .orShould()
                    .callMethod(System.class, "currentTimeMillis");
            system.check(PURE);
            assertBroken(system, HOSTS);
            ArchRule others = noClasses()
                    .should()
                    .dependOnClassesThat()
                    .resideInAPackage("java.time..")
                    .orShould()
                    .dependOnClassesThat()
                    .belongToAnyOf(Date.class, Calendar.class, Random.class, UUID.class)
                    .because("time is a parameter, and the same packets must give the same decisions");
            others.check(PURE);
            assertBroken(others, HOSTS);
        }

        @Test
        void shouldTalkToNeitherConsoleNorEnvironment() {
            ArchRule rule = noClasses()
                    .should()
                    .accessField(System.class, "out")
                    .orShould()
                    .accessField(System.class, "err")
                    .orShould()
                    .callMethod(System.class, "getenv", String.class)
                    .orShould()
                    .callMethod(System.class, "getProperty", String.class)
                    .orShould()
                    .callMethod(System.class, "exit", int.class);
            rule.check(PURE);
            assertBroken(rule, HOSTS);
        }
    }

    @Nested
    class Dependencies {
        @Test
        void shouldPointFromTheHostsToThePureModules() {
            ArchRule core = onlyUses("org.dwsr.(config|http|packet|pool|rule|session|stream|switching|table)..");
            core.check(CORE);
            assertBroken(core, EMBEDDED);
            ArchRule flow = onlyUses("org.dwsr.flow..");
            flow.check(FLOW);
            assertBroken(flow, EMBEDDED);
        }

        private ArchRule onlyUses(String packages) {
            return noClasses()
                    .should()
                    .dependOnClassesThat(resideInAPackage("org.dwsr..").and(not(resideInAPackage(packages))));
        }

        @Test
        void shouldNotPointFromTheFilterCoreToItsHost() {
            ArchRule rule = noClasses().should().dependOnClassesThat().resideInAPackage(HOST_OF_FILTER);
            rule.check(PURE);
            assertBroken(rule, FILTER_HOST);
        }

        @Test
        void shouldNotPointFromOneHostToAnother() {
            ArchRule toFilter = noClasses().should().dependOnClassesThat().resideInAPackage("org.dwsr.filter..");
            toFilter.check(EMBEDDED);
            assertBroken(toFilter, FILTER_HOST);
            ArchRule toController = noClasses().should().dependOnClassesThat().resideInAPackage(CONTROLLER);
            toController.check(FILTER_HOST);
            assertBroken(toController, EMBEDDED);
        }

        @Test
        void shouldHaveNoCyclesBetweenThePackagesOfSwitchCore() {
            slices().matching("org.dwsr.(*)..").should().beFreeOfCycles().check(CORE);
            SliceAssignment byFirstLetter = new SliceAssignment() {
                @Override
                public SliceIdentifier getIdentifierOf(JavaClass type) {
                    String name = type.getName();
                    return name.startsWith("org.dwsr.")
                            ? SliceIdentifier.of(name.substring(name.lastIndexOf('.') + 1, name.lastIndexOf('.') + 2))
                            : SliceIdentifier.ignore();
                }

                @Override
                public String getDescription() {
                    return "the first letters of classes";
                }
            };
            assertBroken(slices().assignedFrom(byFirstLetter).should().beFreeOfCycles(), CORE);
        }
    }

    @Nested
    class AllCode {
        @Test
        void shouldHaveNoNamesThatSayNothing() {
            for (String ending : EMPTY_NAMES) {
                noNameEnding(ending).check(ALL);
            }
            assertBroken(noNameEnding("Agent"), ALL);
        }

        private ArchRule noNameEnding(String ending) {
            return noClasses().should().haveSimpleNameEndingWith(ending);
        }

        @Test
        void shouldWaitForConditionsAndNeverSleep() {
            noCall(Thread.class, "sleep").check(ALL);
            noCall(TimeUnit.class, "sleep").check(ALL);
            assertBroken(noCall(Thread.class, "interrupt"), ALL);
        }

        private ArchRule noCall(Class<?> owner, String name) {
            return noClasses()
                    .should()
                    .callMethodWhere(DescribedPredicate.describe(
                            owner.getSimpleName() + "." + name,
                            call -> call.getTargetOwner().isEquivalentTo(owner)
                                    && call.getTarget().getName().equals(name)));
        }

        @Test
        void shouldHaveNoDisabledTests() {
            for (ArchRule rule : without(Disabled.class)) {
                rule.check(ALL);
            }
            assertBroken(without(Nested.class).get(0), ALL);
            assertBroken(without(ParameterizedTest.class).get(1), ALL);
        }

        private List<ArchRule> without(Class<? extends Annotation> annotation) {
            return Arrays.asList(
                    noClasses().should().beAnnotatedWith(annotation),
                    methods().should().notBeAnnotatedWith(annotation));
        }
    }
}
