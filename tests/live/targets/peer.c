/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: peer MIB: holds that much memory and a connected socket, says the port, and closes the
 * socket when a line comes on standard input; prints "closed" then.
 */
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "told-layout.h"

int main(int argc, char **argv)
{
    target_begin();
    CHECK(argc == 2);
    size_t size = (size_t)strtoul(argv[1], NULL, 10) << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    uint64_t state = 88172645463325252U;
    for (size_t i = 0; i < size / 8; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((uint64_t *)(void *)memory)[i] = state;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    printf("{\"pid\":%d,\"port\":%d}\n", (int)getpid(), (int)ntohs(address.sin_port));
    int fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    char line[16];
    CHECK(fgets(line, sizeof line, stdin));
    CHECK(close(fd) == 0);
    printf("closed\n");
    for (;;)
        pause();
    return 0;
}
