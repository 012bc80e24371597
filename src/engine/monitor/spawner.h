#ifndef SKEIN_SPAWNER_H
#define SKEIN_SPAWNER_H

#include <stddef.h>

// Starts programs for the engine and mounts for it (spawner.c).
int spawner_main(int argc, char **argv);

// ---- cgroup-warmth.c: the next process that is put into control groups will not wait for it ----

void start_warmth(void);
void want_warmth(void);

// ---- mounts.c: 0, or 1 with the reason in `why` ----

int mount_overlay(const char *target, const char *directory, char *const *lower, const char *upper, const char *work, char *why, size_t size);
int unmount_all(const char *path, char *why, size_t size);

#endif
