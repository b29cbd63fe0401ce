// What FAISS writes of an index, looked at before FAISS reads it. Internal to the retriever.
#pragma once

#include <cstdint>
#include <string_view>

#include "retriever/index.h"

namespace memlong::retriever {

/// Whether `payload` has the layout of an index of `kind` (IndexFlatIP, IndexHNSWFlat) with `rows`
/// vectors of `dim`, every list as long as the bytes that are there. FAISS believes the lengths
/// that it reads: it would allocate what they say, and lose memory where the bytes end too early.
bool payload_fits(std::string_view payload, IndexKind kind, int64_t rows, int64_t dim);

}  // namespace memlong::retriever
