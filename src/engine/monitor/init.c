// `skein-monitor init -- COMMAND…`: PID 1 in a container that asks for one. Passes signals on, reaps orphans, ends with the command's code.
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int init_main(int argc, char **argv) {
  char **command = argv + 1;
  if (argc > 1 && strcmp(argv[1], "--") == 0) command++;
  if (!command[0]) { fprintf(stderr, "init: no command\n"); return 2; }

  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  pid_t child = fork();
  if (child < 0) { perror("init: fork"); return 1; }
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, NULL);
    execvp(command[0], command);
    fprintf(stderr, "cannot run \"%s\": %s\n", command[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
  }
  for (;;) {
    int signal_number;
    if (sigwait(&all, &signal_number) != 0) continue;
    if (signal_number != SIGCHLD) { kill(child, signal_number); continue; }
    int status;
    pid_t dead;
    while ((dead = waitpid(-1, &status, WNOHANG)) > 0) {
      if (dead == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
}
