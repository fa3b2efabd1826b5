#pragma once
// Linux calls that glibc declares only to those who ask for GNU extensions, which Swift's Glibc module does not.

int renameat2(int old_folder, const char *old_path, int new_folder, const char *new_path, unsigned int flags);

enum { renameat2_exchange = 2 };

// The processors that a process may be scheduled on, one bit each. 0 is the calling process.
int sched_getaffinity(int process, unsigned long byte_count, void *processors);
