#ifndef SKEIN_SHIELD_H
#define SKEIN_SHIELD_H

// shield CGROUP2 PROGRAM ARGUMENT…: runs an OCI runtime so that it starts fast and cannot be changed from inside a container.
int shield_main(int argc, char **argv);

// A program of its own for that would cost an exec: whoever starts a command line that asks for the shield, raises it in the child and runs the rest.
// The number of words to leave out, or 0.
int shield_words(char *const *argv);
void raise_shield(char *const *argv);

// To be in the runtime's environment then.
#define SHIELD_VARIABLE "_LIBCONTAINER_CLONED_BINARY=1"

#endif
