// What memlong-chat says about a talk: tables for people, JSON for machines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "engine/session.h"
#include "tools/memlong-chat/chat.h"

namespace memlong::tools {

/// Model, adapter, device, bank and session, a line each.
std::string banner(const Chat& chat);

/// The times in llama.cpp's form.
std::string timing_block(const Timing& timing);

/// One row a chunk: number, document, position, time, score, share of attention, text.
std::string chunk_table(const Chat& chat, const std::vector<engine::RetrievedChunk>& chunks);
std::string found_table(const Chat& chat, const std::vector<engine::FoundChunk>& found);

/// What /memory shows.
std::string memory_report(Chat& chat);

/// What --prompt --json prints: text, prompt_tokens, tokens, seconds, retrieved, and more.
nlohmann::ordered_json answer_json(const Chat& chat, const engine::Answer& answer);

/// "end", "length", "stop_text", "interrupted"
std::string reason_name(engine::StopReason reason);

}  // namespace memlong::tools
