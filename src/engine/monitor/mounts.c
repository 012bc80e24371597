#define _GNU_SOURCE
#include "monitor.h"
#include "spawner.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

// An overlay by the new mount API, a call a layer (Linux 6.5), so that no number of layers is too many for a page of options.
// Returns 0, or -1 with errno; ENOSYS or EINVAL from a kernel that lacks the API or "lowerdir+".
static int configure_overlay(char *const *lower, const char *upper, const char *work) {
  int context = fsopen("overlay", FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  int mounted = -1;
  // The upper directory must say all by itself, since it becomes layers: no renamed or half copied directories, whatever the host's defaults.
  static const char *const off[] = { "redirect_dir", "metacopy", "index" };
  for (size_t i = 0; i < sizeof off / sizeof *off; i++) fsconfig(context, FSCONFIG_SET_STRING, off[i], "off", 0);
  for (; *lower; lower++) if (fsconfig(context, FSCONFIG_SET_STRING, "lowerdir+", *lower, 0) != 0) goto done;
  if (fsconfig(context, FSCONFIG_SET_STRING, "source", "overlay", 0) != 0) goto done;
  if (upper[0] && (fsconfig(context, FSCONFIG_SET_STRING, "upperdir", upper, 0) != 0 || fsconfig(context, FSCONFIG_SET_STRING, "workdir", work, 0) != 0)) goto done;
  if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0) goto done;
  mounted = fsmount(context, FSMOUNT_CLOEXEC, 0);
done:;
  int error = errno;
  close(context);
  errno = error;
  return mounted;
}

static int explain(char *why, size_t size, const char *what) {
  snprintf(why, size, "%s: %s", what, strerror(errno));
  return 1;
}

// Paths of layers are relative to `directory`; without `upper` it is read-only. 0, or 1 with the reason in `why`.
int mount_overlay(const char *target, const char *directory, char *const *lower, const char *upper, const char *work, char *why, size_t size) {
  if (chdir(directory) != 0) return explain(why, size, directory);
  int mounted = configure_overlay(lower, upper, work);
  if (mounted >= 0) {
    int failed = move_mount(mounted, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0;
    int error = errno;
    close(mounted);
    errno = error;
    if (failed) return explain(why, size, target);
  } else {
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM) return explain(why, size, "overlay");
    char options[4096];
    int length = snprintf(options, sizeof options, "redirect_dir=off,metacopy=off,index=off,lowerdir=");
    for (int i = 0; lower[i] && length < (int)sizeof options; i++) length += snprintf(options + length, sizeof options - (size_t)length, "%s%s", i ? ":" : "", lower[i]);
    if (upper[0] && length < (int)sizeof options) length += snprintf(options + length, sizeof options - (size_t)length, ",upperdir=%s,workdir=%s", upper, work);
    if (length >= (int)sizeof options) { errno = E2BIG; return explain(why, size, "overlay"); }
    if (mount("overlay", target, "overlay", 0, options) != 0) return explain(why, size, "overlay");
  }
  // What is mounted inside must not appear anywhere else.
  if (mount(NULL, target, NULL, MS_PRIVATE | MS_REC, NULL) != 0) { explain(why, size, target); umount2(target, MNT_DETACH); return 1; }
  return 0;
}

// Everything that is mounted there; what is not mounted is fine.
int unmount_all(const char *path, char *why, size_t size) {
  while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {}
  return errno == EINVAL || errno == ENOENT ? 0 : explain(why, size, path);
}

// mount-overlay TARGET DIRECTORY OPTIONS. The paths in OPTIONS are relative to DIRECTORY: mount(2) takes one page of options, which
// long paths to many layers would overflow.
int mount_overlay_main(int argc, char **argv) {
  if (argc != 4) return 2;
  if (chdir(argv[2]) != 0) { fprintf(stderr, "cannot enter %s: %s", argv[2], strerror(errno)); return 1; }
  if (mount("overlay", argv[1], "overlay", 0, argv[3]) != 0) { fprintf(stderr, "%s", strerror(errno)); return 1; }
  // What is mounted inside must not appear anywhere else.
  if (mount(NULL, argv[1], NULL, MS_PRIVATE | MS_REC, NULL) != 0) { fprintf(stderr, "%s", strerror(errno)); umount2(argv[1], MNT_DETACH); return 1; }
  return 0;
}

// unmount PATH…: what is not mounted is fine.
int unmount_main(int argc, char **argv) {
  int failed = 0;
  for (int i = 1; i < argc; i++) {
    char why[512];
    if (unmount_all(argv[i], why, sizeof why) != 0) { fprintf(stderr, "%s\n", why); failed = 1; }
  }
  return failed;
}
