// skein-monitor: one small static program with a few verbs, so that the daemon spawns nothing else for kernel work.
//   run             supervises one container for its whole life (monitor.c) and writes its log (log-file.c)
//   init            PID 1 inside a container that asks for one (init.c)
//   mount-overlay, unmount, apply-whiteouts, without-cgroup2   (mounts.c, whiteouts.c)
#ifndef SKEIN_MONITOR_H
#define SKEIN_MONITOR_H

#include <stdint.h>
#include <stddef.h>

int run_main(int argc, char **argv);
int init_main(int argc, char **argv);
int mount_overlay_main(int argc, char **argv);
int unmount_main(int argc, char **argv);
int without_cgroup2_main(int argc, char **argv);
int apply_whiteouts_main(int argc, char **argv);

// ---- log-file.c: docker's json-file format with rotation ----

enum { STREAM_STDOUT = 0, STREAM_STDERR = 1 };

// Longest piece of a line in one record, as Docker's: a longer line becomes several records, all but the last without "\n".
#define LINE_MAX_BYTES (16 * 1024)

struct log_stream { char line[LINE_MAX_BYTES]; size_t length; };

struct log_file {
  const char *path;          // "" = nothing is kept
  uint64_t max_size;         // bytes; 0 = never rotate
  int max_files;             // at least 1, with the current one
  int fd;                    // -1 = not open; tried again with the next record
  uint64_t size;
  uint64_t dropped;          // records lost because the disk refused them
  char *buffer; size_t used, capacity, buffered_records;
  struct log_stream streams[2];
};

void log_open(struct log_file *log, const char *path, uint64_t max_size, int max_files);
void log_feed(struct log_file *log, int stream, const char *bytes, size_t count);
// Ends what is left without a newline and writes everything out.
void log_finish(struct log_file *log);

// JSON string contents (without quotes) of `bytes`; invalid UTF-8 becomes U+FFFD. `out` must hold 6 bytes for each input byte.
size_t json_escape(char *out, const char *bytes, size_t count);

#endif
