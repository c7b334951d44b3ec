// An object that a runner builds in shared pages before it forks: for queues that hold everything inside themselves.
// Never destroyed: the pages go away with it, and what may live there owns nothing else.
#pragma once

#include <new>

#include "harness/shared_pages.hpp"

namespace sluice_bench {

template <class Object>
class shared_object {
 public:
  shared_object() : pages_(sizeof(Object)), object_(new (pages_.data()) Object) {}
  Object* operator->() const noexcept { return object_; }
  void touch() const noexcept { pages_.touch(); }

 private:
  shared_pages pages_;
  Object* object_;
};

}  // namespace sluice_bench
