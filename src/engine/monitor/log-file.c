// A container's output on disk, one record a line (log-record.c), in files that rotate:
//   LOG_JSON   path, path.1, path.2 … as docker's json-file has them: the oldest has the highest number (path.N.gz when compressed)
//   LOG_LOCAL  path.1, path.2 …: the newest has the highest number, so a file never changes its name (path.N.gz when compressed)
// A disk that refuses a write costs records, never the container: they are counted and dropped, and the file keeps whole records only.
#define _GNU_SOURCE
#include "monitor.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLUSH_AT (64 * 1024)
#define PATH_BYTES 4200

void log_open(struct log_file *log, const struct log_settings *settings) {
  memset(log, 0, sizeof *log);
  log->settings = *settings;
  if (log->settings.max_files < 1) log->settings.max_files = 1;
  if (strlen(log->settings.attributes) > ATTRIBUTES_MAX_BYTES) log->settings.attributes = "";
  log->fd = log->compressor = -1;
  log->capacity = FLUSH_AT + RECORD_MAX_BYTES;
  log->buffer = malloc(log->capacity);
  if (!log->buffer) abort();
}

// Numbers of the LOG_LOCAL files that are there.
static void find_local(const char *path, uint64_t *newest, int *is_newest_compressed) {
  char copy[PATH_BYTES], other[PATH_BYTES];
  snprintf(copy, sizeof copy, "%s", path);
  snprintf(other, sizeof other, "%s", path);
  const char *base = basename(other);
  size_t length = strlen(base);
  *newest = 0;
  *is_newest_compressed = 0;
  DIR *directory = opendir(dirname(copy));
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (strncmp(entry->d_name, base, length) != 0 || entry->d_name[length] != '.') continue;
    char *end;
    uint64_t number = strtoull(entry->d_name + length + 1, &end, 10);
    int is_compressed = strcmp(end, ".gz") == 0;
    if (number == 0 || (*end && !is_compressed) || number < *newest) continue;
    *is_newest_compressed = number > *newest ? is_compressed : *is_newest_compressed && is_compressed;
    *newest = number;
  }
  closedir(directory);
}

static void current_path(const struct log_file *log, char *path) {
  if (log->settings.form == LOG_LOCAL) snprintf(path, PATH_BYTES, "%s.%llu", log->settings.path, (unsigned long long)log->number);
  else snprintf(path, PATH_BYTES, "%s", log->settings.path);
}

static int ensure_open(struct log_file *log) {
  if (log->fd >= 0) return 1;
  if (log->settings.form == LOG_LOCAL && log->number == 0) {
    int is_compressed;
    find_local(log->settings.path, &log->number, &is_compressed);
    if (log->number == 0 || is_compressed) log->number++;
  }
  char path[PATH_BYTES];
  current_path(log, path);
  log->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (log->fd < 0) return 0;
  struct stat st;
  log->size = fstat(log->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
  // A host that lost power may have left half a record, which would garble the next one.
  if (log->size > 0 && log->settings.form == LOG_LOCAL) {
    uint64_t whole = log_local_whole_length(log->fd, log->size);
    if (whole < log->size && ftruncate(log->fd, (off_t)whole) == 0) log->size = whole;
  } else if (log->size > 0) {
    char last;
    if (pread(log->fd, &last, 1, (off_t)log->size - 1) == 1 && last != '\n' && write(log->fd, "\n", 1) == 1) log->size++;
  }
  return 1;
}

void log_flush(struct log_file *log) {
  if (log->used == 0) return;
  size_t done = 0;
  if (ensure_open(log)) {
    while (done < log->used) {
      ssize_t n = write(log->fd, log->buffer + done, log->used - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      done += (size_t)n;
    }
  }
  if (done == log->used) {
    log->size += done;
  } else {
    // Half a record would garble the next one.
    if (done > 0 && log->fd >= 0 && ftruncate(log->fd, (off_t)log->size) != 0) { close(log->fd); log->fd = -1; }
    log->dropped += log->buffered_records;
  }
  log->used = 0;
  log->buffered_records = 0;
}

void log_position(struct log_file *log, uint64_t *file, uint64_t *offset) {
  *file = *offset = 0;
  if (!log->settings.path[0]) return;
  log_flush(log);
  struct stat st;
  if (!ensure_open(log) || fstat(log->fd, &st) != 0) return;
  *file = log->settings.form == LOG_LOCAL ? log->number : (uint64_t)st.st_ino;
  *offset = log->size;
}

// gzip that is missing, or a full disk: the file stays as it is.
static void compress(const char *path) {
  char packed[PATH_BYTES + 8], temporary[PATH_BYTES + 8];
  snprintf(packed, sizeof packed, "%s.gz", path);
  snprintf(temporary, sizeof temporary, "%s.packing", path);
  int from = open(path, O_RDONLY | O_CLOEXEC);
  if (from < 0) return;                // rotated away before its turn came
  int to = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  pid_t gzip = to < 0 ? -1 : fork();
  if (gzip == 0) {
    dup2(from, 0);
    dup2(to, 1);
    execlp("gzip", "gzip", "-c", (char *)NULL);
    _exit(127);
  }
  int status = 1;
  if (gzip > 0) while (waitpid(gzip, &status, 0) < 0 && errno == EINTR) {}
  // One that was rotated away meanwhile must not come back.
  struct stat st;
  int is_wanted = gzip > 0 && status == 0 && fstat(from, &st) == 0 && st.st_nlink > 0;
  if (is_wanted && rename(temporary, packed) == 0) { if (unlink(path) != 0) unlink(packed); }
  else unlink(temporary);
  close(from);
  if (to >= 0) close(to);
}

// A child compresses one file after the other, so that copying goes on, a flood does not start a gzip for each file it fills, and what is
// queued has its end also when this process ends first: then the pipe does.
static void start_compressor(struct log_file *log) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[0], 3);                  // without O_CLOEXEC unless it was 3 already; gzip does no harm with it
    close_range(4, ~0u, 0);            // clients' connections and the container's pipes must end when the monitor ends them
    setpriority(PRIO_PROCESS, 0, 10);
    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    char path[PATH_BYTES];
    for (uint64_t number; read(3, &number, sizeof number) == sizeof number;) {
      snprintf(path, sizeof path, "%s.%llu", log->settings.path, (unsigned long long)number);
      compress(path);
    }
    _exit(0);
  }
  close(ends[0]);
  if (child > 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0) log->compressor = ends[1]; else close(ends[1]);
}

static void rotate_local(struct log_file *log) {
  char path[PATH_BYTES], packed[PATH_BYTES + 8];
  uint64_t rotated = log->number++;
  for (uint64_t back = 0; back < 4 && log->number > (uint64_t)log->settings.max_files + back; back++) {
    snprintf(path, sizeof path, "%s.%llu", log->settings.path, (unsigned long long)(log->number - (uint64_t)log->settings.max_files - back));
    snprintf(packed, sizeof packed, "%s.gz", path);
    unlink(path);
    unlink(packed);
  }
  if (!log->settings.compress || log->settings.max_files == 1) return;
  if (log->compressor < 0) start_compressor(log);
  // Its queue is full, or it was killed: this file stays as it is.
  if (log->compressor >= 0 && write(log->compressor, &rotated, sizeof rotated) < 0 && errno == EPIPE) { close(log->compressor); log->compressor = -1; }
}

// file -> file.1 -> file.2 …; a reader that holds the old file open finds out where it went.
static void rotate_json(struct log_file *log) {
  char from[PATH_BYTES], to[PATH_BYTES];
  for (int i = log->settings.max_files - 1; i >= 1; i--) {
    if (i == 1) snprintf(from, sizeof from, "%s", log->settings.path); else snprintf(from, sizeof from, "%s.%d", log->settings.path, i - 1);
    snprintf(to, sizeof to, "%s.%d", log->settings.path, i);
    rename(from, to);
  }
  if (log->settings.max_files == 1) unlink(log->settings.path);
}

static void rotate(struct log_file *log) {
  log_flush(log);
  if (log->fd >= 0) close(log->fd);
  log->fd = -1;
  if (log->settings.form == LOG_LOCAL) rotate_local(log); else rotate_json(log);
  log->size = 0;
}

static void emit(struct log_file *log, int stream, const char *line, size_t length, int ends) {
  size_t record = log_record(&log->settings, log->buffer + log->used, stream, line, length, ends);
  ensure_open(log);
  if (log->settings.max_size > 0 && log->size + log->used > 0 && log->size + log->used + record > log->settings.max_size) {
    size_t before = log->used;
    rotate(log);
    memmove(log->buffer, log->buffer + before, record);
  }
  log->used += record;
  log->buffered_records++;
  if (log->used >= FLUSH_AT) log_flush(log);
}

// How much of a full piece to record: not half a character; up to 3 bytes wait for the next piece.
static size_t cut_of(const char *line, size_t length) {
  for (size_t back = 1; back <= 3; back++) {
    unsigned char c = (unsigned char)line[length - back];
    if ((c & 0xc0) == 0x80) continue;
    size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return need > back ? length - back : length;
  }
  return length;
}

void log_feed(struct log_file *log, int stream, const char *bytes, size_t count) {
  if (!log->settings.path[0]) return;
  struct log_stream *s = &log->streams[stream];
  while (count > 0) {
    const char *newline = memchr(bytes, '\n', count);
    size_t part = newline ? (size_t)(newline - bytes) : count;
    // A line that is here as a whole goes straight from the caller's buffer.
    if (newline && s->length == 0 && part <= LINE_MAX_BYTES) {
      emit(log, stream, bytes, part, 1);
      bytes += part + 1;
      count -= part + 1;
      continue;
    }
    size_t room = LINE_MAX_BYTES - s->length;
    size_t take = part < room ? part : room;
    memcpy(s->line + s->length, bytes, take);
    s->length += take;
    bytes += take;
    count -= take;
    if (newline && take == part) {
      emit(log, stream, s->line, s->length, 1);
      s->length = 0;
      bytes++;
      count--;
    } else if (s->length == LINE_MAX_BYTES) {
      size_t cut = cut_of(s->line, s->length);
      emit(log, stream, s->line, cut, 0);
      memmove(s->line, s->line + cut, s->length - cut);
      s->length -= cut;
    }
  }
}

void log_finish(struct log_file *log) {
  if (!log->settings.path[0]) return;
  for (int stream = 0; stream < 2; stream++) {
    struct log_stream *s = &log->streams[stream];
    if (s->length > 0) emit(log, stream, s->line, s->length, 0);
    s->length = 0;
  }
  log_flush(log);
  if (log->fd >= 0) close(log->fd);
  log->fd = -1;
  if (log->compressor >= 0) close(log->compressor);
  log->compressor = -1;
}
