"""A host name whose address a test says: a library in front of the C library's getaddrinfo()."""

import os
import subprocess

HOST = "db.test"

SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char* host, const char* service, const struct addrinfo* hints, struct addrinfo** found)
{
    int (*real)(const char*, const char*, const struct addrinfo*, struct addrinfo**) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (host == NULL || strcmp(host, "db.test") != 0) {
        return real(host, service, hints, found);
    }
    char addresses[256] = "";
    FILE* file = fopen(getenv("ADDRESS_OF_DB_TEST"), "r");
    if (file != NULL) {
        if (fgets(addresses, sizeof addresses, file) == NULL) {
            addresses[0] = 0;
        }
        fclose(file);
    }
    while (strcmp(addresses, "never") == 0) {
        pause();
    }
    int result = EAI_NONAME;
    struct addrinfo** next = found;
    char* rest = addresses;
    for (char* one = strtok_r(addresses, " ", &rest); one != NULL; one = strtok_r(NULL, " ", &rest)) {
        result = real(one, service, hints, next);
        while (result == 0 && *next != NULL) {
            next = &(*next)->ai_next;
        }
    }
    return result;
}
"""


class Names:
    """Programs that are started with `environment` resolve HOST to what set() said last."""

    def __init__(self, folder):
        self.file = f"{folder}/address"
        library = f"{folder}/names.so"
        with open(f"{folder}/names.c", "w", encoding="utf-8") as file:
            file.write(SOURCE)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, f"{folder}/names.c", "-ldl"], check=True)
        os.chmod(library, 0o755)
        self.environment = {
            "LD_PRELOAD": library,
            "ADDRESS_OF_DB_TEST": self.file,
            # A sanitizer wants to be first, but nothing here is its concern.
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
        }

    def set(self, address):
        """One, or several with blanks between them; empty: there is no such host; never: nobody says."""
        with open(f"{self.file}.new", "w", encoding="utf-8") as file:
            file.write(address)
        os.chmod(f"{self.file}.new", 0o644)
        os.rename(f"{self.file}.new", self.file)
