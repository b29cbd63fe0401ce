// Where the elements of a weight lie in a blocked layout of oneDNN.
#pragma once

#include <cstdint>
#include <vector>

#include <dnnl.hpp>

namespace memlong::ops::cpu {

/// Of weights [K, N]. Tiles are whole blocks of the layout, so that a place is that of its tile and
/// one inside.
class WeightPlaces {
 public:
  /// With `transposed` the rows below are those of K, else of N.
  WeightPlaces(const dnnl::memory::desc& layout, bool transposed);

  [[nodiscard]] int64_t tile_rows() const { return rows_; }
  [[nodiscard]] int64_t tile_columns() const { return columns_; }
  /// The first element of a tile, which begins at a multiple of its extents.
  [[nodiscard]] int64_t of_tile(int64_t row, int64_t column) const;
  /// Of a row of a tile, [tile_columns], from its tile's.
  [[nodiscard]] const int64_t* in_tile(int64_t row) const {
    return inside_.data() + row * columns_;
  }

 private:
  struct Block {
    int dimension;
    int64_t size;
  };
  [[nodiscard]] int64_t place(int64_t k, int64_t n) const;

  std::vector<Block> blocks_;  ///< the outermost first
  int64_t strides_[2];         ///< between blocks of K, of N
  bool transposed_;
  int64_t rows_, columns_;
  std::vector<int64_t> inside_;
};

}  // namespace memlong::ops::cpu
