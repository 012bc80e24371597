#include "monitor.h"
#include "layers.h"
#include "pack.h"
#include "shield.h"
#include "spawner.h"
#include "unpack.h"
#include <stdio.h>
#include <string.h>

static const struct { const char *verb; int (*run)(int, char **); } verbs[] = {
  { "run", run_main },
  { "exec", exec_main },
  { "init", init_main },
  { "spawner", spawner_main },
  { "mount-overlay", mount_overlay_main },
  { "unmount", unmount_main },
  { "shield", shield_main },
  { "unpack", unpack_main },
  { "files", files_main },
  { "pack", pack_main },
  { "init-layer", init_layer_main },
};

int main(int argc, char **argv) {
  for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++) {
    if (strcmp(argv[1], verbs[i].verb) == 0) return verbs[i].run(argc - 1, argv + 1);
  }
  fprintf(stderr, "skein-monitor is started by swarmd: run, exec, init, spawner, mount-overlay, unmount, shield, unpack, files, pack or init-layer\n");
  return 2;
}
