// The threads of the stress test. Each runs until the world is over, at least one round, with a
// Context and, where it searches, a Memory of its own.
#pragma once

#include "engine/stress_world.h"

namespace memlong::engine::stress {

/// Reads texts into the bank: new ones, known ones, several in one run, some stopped half-way and
/// taken up later. `share` of `shares`: works on every so-manieth text, so that no two of these
/// threads read the same one.
void ingest_texts(World& world, size_t share, size_t shares);
/// Holds dialogs, which retrieve from the whole bank and are kept in it; closes and resumes them.
void hold_talks(World& world, int number);
/// Looks for known chunks and checks what it is given.
void search_chunks(World& world, retriever::IndexKind kind);
/// Checks everything in snapshots, holds on to some of them, and runs verify.
void read_snapshots(World& world);
/// Forgets texts and talks, prunes, compacts.
void look_after(World& world);

}  // namespace memlong::engine::stress
