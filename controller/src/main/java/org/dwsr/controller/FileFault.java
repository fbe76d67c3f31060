package org.dwsr.controller;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** Why a file could not be used, in words: the JDK's exceptions often have only the path as their message. */
final class FileFault {
    private FileFault() {}

    static String reason(IOException fault) {
        if (fault instanceof NoSuchFileException) {
            return "it does not exist";
        }
        if (fault instanceof AccessDeniedException) {
            return "permission denied";
        }
        if (fault instanceof FileSystemException system && system.getReason() != null) {
            return system.getReason();
        }
        String message = fault.getMessage();
        return message == null ? fault.toString() : message;
    }
}
