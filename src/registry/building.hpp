#pragma once

// A segment on its way to a name: whole before another process can see it, and held by this process from before it has any name.

#include <memory>
#include <optional>
#include <string>

#include "os/byte_locks.hpp"
#include "os/file.hpp"
#include "segment/lock_file.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"

namespace sluice::detail {

/// What this process writes into the header of a segment that it makes.
[[nodiscard]] segment_origin origin_here(segment_kind kind, lifetime how_long);

/// Goes without a trace unless it was placed. Its maker killed at any instruction: the kernel frees the file, or, where the
/// filesystem makes none without a name, sweep does; so with the lock file in the moment before the segment has its name.
class building {
 public:
  /// Makes and formats it in `directory`, which is open as that and stays so.
  /// @throws error no_space; no_permission; bad_argument: durable, and there is no disk.
  building(int directory, std::string directory_path, std::string name, const segment_plan& plan, const naming& how,
           const std::string& what);
  building(const building&) = delete;
  building& operator=(const building&) = delete;
  ~building();

  [[nodiscard]] const segment& memory() const noexcept { return memory_; }
  [[nodiscard]] const os::file_facts& facts() const noexcept { return facts_; }
  /// @throws error no_permission: only root may.
  void give_to(std::uint32_t uid, std::uint32_t gid) const;

  /// Gives it its name; false: the name is taken. A durable one is on the disk before, and its name when this returns.
  [[nodiscard]] bool place();
  /// Gives it the name of another segment, which loses it in the same moment. On the disk as with place().
  void place_over();
  /// What keeps sweepers away.
  [[nodiscard]] std::shared_ptr<os::byte_locks> take_presence() { return std::move(presence_); }

 private:
  void begin(std::uint32_t mode, const std::string& what);
  void begin_lock_file(std::uint32_t mode, std::uint64_t creation_id, const std::string& what);
  void place_lock_file();
  void let_others_in() noexcept;
  void discard() noexcept;
  void require_disk(const std::string& what) const;
  void sync_file() const;
  void sync_directory() const;
  void sync_name() const;

  int directory_;
  std::string directory_path_;
  std::string name_;
  std::string path_;
  bool is_durable_;
  std::string temporary_;  // the name it has for now; empty: none
  os::fd file_;            // until it is mapped
  os::file_facts facts_;
  std::shared_ptr<os::byte_locks> presence_;
  std::optional<lock_file>
      locks_;  // where the mode lets some read that may not write; its gate is held until it is placed
  std::string locks_name_;
  bool locks_have_name_ = false;
  segment memory_;
};

}  // namespace sluice::detail
