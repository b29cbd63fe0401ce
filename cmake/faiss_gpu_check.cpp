// Links where FAISS was built with GPU support (cmake/FaissGpu.cmake).
#include <faiss/gpu/GpuIndexFlat.h>
#include <faiss/gpu/StandardGpuResources.h>

int main() {
  faiss::gpu::StandardGpuResources resources;
  const faiss::gpu::GpuIndexFlatIP index(&resources, 8);
  return index.d == 8 ? 0 : 1;
}
