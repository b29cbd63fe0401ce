// Matrix products by cuBLASLt. What the library has chosen for a shape is kept with the context: it
// takes longer to choose than to multiply small matrices.
//
// The same bits in every run: split sums are added in f32 in a step of their own (never by atomic
// operations), and the choice depends on the shape and the alignment only. Another GPU or another
// version of the library may choose otherwise. f32 is multiplied as f32: CUBLAS_COMPUTE_32F does
// not take TF32.
#include "ops/cuda/gemm_library.h"

#include <bit>
#include <memory>
#include <type_traits>
#include <unordered_map>

#include "common/error.h"
#include "ops/cuda/blas.h"
#include "tensor/cuda/runtime.h"

namespace memlong::ops {
namespace {

template <auto kDestroy>
struct Destroy {
  template <class T>
  void operator()(T* made) const {
    (blas_library().*kDestroy)(made);
  }
};
using Layout = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>,
                               Destroy<&BlasLibrary::drop_layout>>;
using Description = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulDesc_t>,
                                    Destroy<&BlasLibrary::drop_description>>;
using Preference = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>,
                                   Destroy<&BlasLibrary::drop_preference>>;

/// What a choice depends on.
struct CallKey {
  struct Part {
    int64_t rows, columns, leading;
    uint32_t alignment;
    bool transposed;
    bool operator==(const Part&) const = default;
  };
  Part left, right, out;
  DType dtype, out_dtype;
  bool bias;
  bool operator==(const CallKey&) const = default;
};

struct CallKeyHash {
  size_t operator()(const CallKey& key) const {
    size_t hash = 0;
    const auto mix = [&](auto value) {
      hash = (hash ^ static_cast<size_t>(value)) * 0x9E3779B97F4A7C15U;
      hash ^= hash >> 29;
    };
    for (const CallKey::Part& part : {key.left, key.right, key.out}) {
      mix(part.rows);
      mix(part.columns);
      mix(part.leading);
      mix(part.alignment * 2 + (part.transposed ? 1 : 0));
    }
    mix(static_cast<int>(key.dtype) * 16 + static_cast<int>(key.out_dtype));
    mix(key.bias);
    return hash;
  }
};

struct Plan {
  Description description;
  Layout left, right, out;
  cublasLtMatmulAlgo_t algorithm{};
  bool adds_bias = false;
};

/// Kept with a context. Windows have few lengths; where they have many, all is chosen anew.
struct Plans {
  static constexpr size_t kCapacity = 4096;
  std::unordered_map<CallKey, Plan, CallKeyHash> of_call;
};

/// The largest power of two, up to the 256 bytes of an allocation, that the address is a multiple
/// of.
uint32_t alignment_of(const void* address) {
  return 1U << std::countr_zero(reinterpret_cast<uintptr_t>(address) | 256U);
}

CallKey::Part part_of(const GemmMatrix& matrix) {
  return {matrix.rows, matrix.columns, matrix.leading, alignment_of(matrix.data),
          matrix.transposed};
}

cudaDataType_t library_type(DType dtype) { return dtype == DType::f32 ? CUDA_R_32F : CUDA_R_16BF; }

Layout layout_of(const CallKey::Part& part, DType dtype) {
  cublasLtMatrixLayout_t made = nullptr;
  check_blas(
      blas_library().make_layout(&made, library_type(dtype), static_cast<uint64_t>(part.rows),
                                 static_cast<uint64_t>(part.columns), part.leading),
      "layout");
  return Layout(made);
}

template <class T>
void set(const Description& description, cublasLtMatmulDescAttributes_t which, const T& value) {
  check_blas(blas_library().set_description(description.get(), which, &value, sizeof(value)),
             "attribute of a product");
}

template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t which, const T& value) {
  check_blas(blas_library().set_preference(preference.get(), which, &value, sizeof(value)),
             "attribute of a search");
}

void set_bias(const Description& description, const float* bias) {
  set(description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
}

/// `bias`: null where none is added.
Description describe(const CallKey& key, const float* bias) {
  cublasLtMatmulDesc_t made = nullptr;
  check_blas(blas_library().make_description(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F), "product");
  Description description(made);
  const auto operation = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  set(description, CUBLASLT_MATMUL_DESC_TRANSA, operation(key.left.transposed));
  set(description, CUBLASLT_MATMUL_DESC_TRANSB, operation(key.right.transposed));
  if (bias != nullptr) {
    set(description, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set_bias(description, bias);
  }
  return description;
}

Preference preference_for(const CallKey& key) {
  cublasLtMatmulPreference_t made = nullptr;
  check_blas(blas_library().make_preference(&made), "search");
  Preference preference(made);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, Blas::kWorkspaceBytes);
  constexpr uint32_t kReductions =
      CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, kReductions);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.left.alignment);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.right.alignment);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.out.alignment);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.out.alignment);
  return preference;
}

/// "matrix product [64, 3200] x [3200, 8640], bf16 to f32", by rows.
std::string name_of(const CallKey& key) {
  const int64_t depth = key.left.transposed ? key.left.rows : key.left.columns;
  const auto shape = [](int64_t a, int64_t b) { return Shape{a, b}.to_string(); };
  return "matrix product " + shape(key.out.columns, depth) + " x " + shape(depth, key.out.rows) +
         ", " + std::string(dtype_name(key.dtype)) + " to " +
         std::string(dtype_name(key.out_dtype));
}

/// Whether the library has an algorithm for the plan's product, which is then the plan's.
bool choose(const Blas& blas, const CallKey& key, Plan& plan) {
  const Preference preference = preference_for(key);
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const cublasStatus_t status = blas_library().find_algorithm(
      blas.handle(), plan.description.get(), plan.left.get(), plan.right.get(), plan.out.get(),
      plan.out.get(), preference.get(), 1, &found, &count);
  const bool none =
      status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && count == 0);
  if (none || found.state == CUBLAS_STATUS_NOT_SUPPORTED) return false;
  check_blas(status, name_of(key));
  check_blas(found.state, name_of(key));
  plan.algorithm = found.algo;
  return true;
}

/// There are products, of extents of 1 or narrow alignment, with which the library adds no bias.
Plan make_plan(const Blas& blas, const CallKey& key, const float* bias) {
  Plan plan;
  plan.left = layout_of(key.left, key.dtype);
  plan.right = layout_of(key.right, key.dtype);
  plan.out = layout_of(key.out, key.out_dtype);
  plan.description = describe(key, bias);
  plan.adds_bias = bias != nullptr;
  if (choose(blas, key, plan)) return plan;
  if (bias != nullptr) {
    plan.description = describe(key, nullptr);
    plan.adds_bias = false;
    if (choose(blas, key, plan)) return plan;
  }
  fail(ErrorKind::device, "cuBLASLt has no algorithm for the " + name_of(key));
}

const Plan& plan_for(Context& context, const Blas& blas, const CallKey& key, const float* bias) {
  auto& plans = context.extension<Plans>().of_call;
  const auto known = plans.find(key);
  if (known != plans.end()) return known->second;
  if (plans.size() >= Plans::kCapacity) plans.clear();
  return plans.emplace(key, make_plan(blas, key, bias)).first->second;
}

}  // namespace

bool library_gemm(Context& context, const GemmCall& call) {
  MEMLONG_CHECK(
      call.bias == nullptr || (call.out_dtype == DType::f32 && alignment_of(call.bias) >= 16),
      "a bias needs f32, and 16 bytes' alignment");
  context.activate();
  const Blas& blas = context.extension<Blas>();
  const CallKey key{part_of(call.left), part_of(call.right), part_of(call.out),
                    call.dtype,         call.out_dtype,      call.bias != nullptr};
  const Plan& plan = plan_for(context, blas, key, call.bias);
  if (plan.adds_bias) set_bias(plan.description, call.bias);
  const float one = 1.0F;
  const float before = call.accumulate ? 1.0F : 0.0F;
  check_blas(blas_library().matmul(blas.handle(), plan.description.get(), &one, call.left.data,
                                   plan.left.get(), call.right.data, plan.right.get(), &before,
                                   call.out.data, plan.out.get(), call.out.data, plan.out.get(),
                                   &plan.algorithm, blas.workspace(), Blas::kWorkspaceBytes,
                                   cuda::stream_of(context)),
             name_of(key));
  return call.bias == nullptr || plan.adds_bias;
}

}  // namespace memlong::ops
