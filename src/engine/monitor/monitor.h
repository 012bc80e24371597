// skein-monitor: one small static program with a few verbs, so that the daemon spawns nothing else for kernel work.
//   run             supervises one container for its whole life (monitor.c), writes its log (log-file.c) and serves who attaches (streams.c)
//   exec            the same for one command in a running container, without a log
//   init            PID 1 inside a container that asks for one (init.c)
//   spawner         starts programs for the engine (spawner.c)
//   shield          runs an OCI runtime (shield.c)
//   mount-overlay, unmount   (mounts.c)
#ifndef SKEIN_MONITOR_H
#define SKEIN_MONITOR_H

#include <stdint.h>
#include <stddef.h>

int run_main(int argc, char **argv);
int exec_main(int argc, char **argv);
int init_main(int argc, char **argv);
int mount_overlay_main(int argc, char **argv);
int unmount_main(int argc, char **argv);

// ---- log-file.c: a container's output on disk, with rotation; log-record.c: what one record looks like ----

enum { STREAM_STDOUT = 0, STREAM_STDERR = 1 };
enum log_form { LOG_JSON, LOG_LOCAL };

// Longest piece of a line in one record, as Docker's: a longer line becomes several records, all but the last without "\n".
#define LINE_MAX_BYTES (16 * 1024)
// The longest record of one piece: every byte escaped, and the attributes.
#define ATTRIBUTES_MAX_BYTES (16 * 1024)
#define RECORD_MAX_BYTES (LINE_MAX_BYTES * 6 + ATTRIBUTES_MAX_BYTES + 128)

struct log_settings {
  const char *path;          // "" = nothing is kept
  enum log_form form;
  uint64_t max_size;         // bytes; 0 = never rotate
  int max_files;             // at least 1, with the current one
  int compress;              // rotated files, by gzip
  const char *attributes;    // a JSON object for each record of LOG_JSON, or ""
};

struct log_stream { char line[LINE_MAX_BYTES]; size_t length; };

struct log_file {
  struct log_settings settings;
  int fd;                    // -1 = not open; tried again with the next record
  int compressor;            // takes the numbers of files to compress; -1 = not started
  uint64_t number;           // LOG_LOCAL: the current file is path.number
  uint64_t size;
  uint64_t dropped;          // records lost because the disk refused them
  char *buffer; size_t used, capacity, buffered_records;
  struct log_stream streams[2];
};

void log_open(struct log_file *log, const struct log_settings *settings);
// Takes bytes as they come; what is a whole line waits in memory (up to 64 KiB) until log_flush.
void log_feed(struct log_file *log, int stream, const char *bytes, size_t count);
void log_flush(struct log_file *log);
// Where the next record will be written: the file (LOG_JSON: its inode, LOG_LOCAL: its number) and the offset in it. Flushes.
void log_position(struct log_file *log, uint64_t *file, uint64_t *offset);
// Ends what is left without a newline and writes everything out.
void log_finish(struct log_file *log);

// Writes one record to `out` (RECORD_MAX_BYTES of room) and returns its length.
size_t log_record(const struct log_settings *settings, char *out, int stream, const char *line, size_t length, int ends);
// Length of the part of a LOG_LOCAL file that holds whole records only.
uint64_t log_local_whole_length(int fd, uint64_t size);

// JSON string contents (without quotes) of `bytes`; invalid UTF-8 becomes U+FFFD. `out` must hold 6 bytes for each input byte.
size_t json_escape(char *out, const char *bytes, size_t count);

// ---- streams.c: clients on the attach socket ----

#include <poll.h>

// Frames in both directions: [type, 0, 0, 0, length as u32 big-endian] and `length` bytes; those of output are Docker's own.
enum frame_from_monitor { FRAME_GREETING = 0, FRAME_STDOUT = 1, FRAME_STDERR = 2, FRAME_END = 3 };   // greeting and end: JSON
enum frame_to_monitor { FRAME_INPUT = 0, FRAME_INPUT_END = 1, FRAME_SIZE = 2, FRAME_HELLO = 3 };     // size: rows, columns (u16); hello: flags (u8)
enum hello_flags { HELLO_STDIN = 1, HELLO_STDOUT = 2, HELLO_STDERR = 4, HELLO_LOG_POSITION = 8, HELLO_AWAITED = 16 };

#define CLIENTS_MAX 512
#define CHUNK_BYTES (64 * 1024)
#define INPUT_BYTES (32 * 1024)

struct client;

struct streams {
  int listener, is_listener_tired;   // tired: no descriptor is left for another client until one goes
  int input, is_input_terminal, is_input_once;
  int is_input_ending;               // close it when what waits has been written
  int terminal;
  struct client *clients; int count;
  char *out; size_t used, capacity; int is_final;
  char in[INPUT_BYTES]; size_t in_used, in_sent;
  int awaited;                       // clients that must have come before anything is copied
  struct log_file *log;
};

int streams_listen(struct streams *streams, const char *path);
// At most CLIENTS_MAX + 2 entries.
int streams_poll(struct streams *streams, struct pollfd *polled);
void streams_act(struct streams *streams, const struct pollfd *polled, int count);
// May container output be read now? Not while a client still has to take what was read before.
int streams_may_read(const struct streams *streams);
// Room for CHUNK_BYTES of output, then how many came.
char *streams_room(struct streams *streams);
void streams_put(struct streams *streams, int stream, size_t count);
void streams_put_frame(struct streams *streams, int type, const char *bytes, size_t count);
void streams_send(struct streams *streams);
int streams_are_behind(const struct streams *streams);
void streams_stop_listening(struct streams *streams);
void streams_close_input(struct streams *streams);
// From now on output is kept (up to 1 MiB) rather than held back.
void streams_begin_final(struct streams *streams);
void streams_close_clients(struct streams *streams, int only_done);

#endif
