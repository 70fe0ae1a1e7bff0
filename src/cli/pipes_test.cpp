// Readers of stdout and stderr that close before the program ends.
#include <sys/stat.h>

#include "cli/serve_test.h"

namespace semblance::cli {
namespace {

class Pipes : public ServeTest {
 protected:
  Pipes() {
    EXPECT_EQ(::mkfifo(pipe().c_str(), 0600), 0);
    reader_ = ::open(pipe().c_str(), O_RDONLY | O_NONBLOCK);
  }
  std::string pipe() const { return file("logs/pipe"); }
  /// Waits until the program runs and so has the pipe open.
  void leave(const Running& program) const {
    const fs::path exe = fs::path("/proc") / std::to_string(program.process()) / "exe";
    std::error_code error;
    while (fs::read_symlink(exe, error).filename() != fs::path(SEMBLANCE_PROGRAM).filename())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::close(reader_);
  }

 private:
  int reader_;
};

TEST_F(Pipes, MakesThePictureWithoutAReaderOfStdout) {
  Running program = start_behind("exec >" + pipe(), generate({"-o", file("picture.png")}));
  leave(program);
  program.end().exits(0).does_not_say("cannot");
  EXPECT_TRUE(fs::exists(file("picture.png")));
}

TEST_F(Pipes, HelpMayBeReadPartly) {
  Running program = start_behind("exec >" + pipe() + "; sleep 0.2", {"generate", "--help"});
  leave(program);
  program.end().exits(0).does_not_say("cannot");
}

TEST_F(Pipes, ServiceSavesItsJobWithoutAReaderOfItsOutput) {
  std::string id;
  {
    Service service(start_behind("exec 2>" + pipe(),
                                 {"serve", "--listen", "127.0.0.1:0", "--data", file("data")}),
                    folder() / "logs/stdout.txt");
    leave(service.process());
    id = service.submit(Service::settings(128, 30));
    service.reaches_step(id, 2);
    service.stop().exits(0);
  }
  Service service = serve();
  EXPECT_EQ(service.ended(id)["state"], "done");
}

}  // namespace
}  // namespace semblance::cli
