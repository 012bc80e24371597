// Layers as one tree, for this process alone (layers-view.c).
#ifndef SKEIN_LAYERS_H
#define SKEIN_LAYERS_H

// A descriptor of the root, or -1 with the reason on stderr. `lower` as overlayfs takes it ("a:b", topmost first), relative to `directory`,
// which holds an empty directory "empty"; `upper` "" for none.
int open_layers(const char *directory, const char *lower, const char *upper, const char *work);

int init_layer_main(int argc, char **argv);

#endif
