// Makes a picture with the library:
//   portrait BASE IDENTITYNET ADAPTER IDENTITY.json OUT.png PROMPT [WIDTH HEIGHT [STEPS]]
#include <semblance/semblance.h>

#include <cstdlib>
#include <iostream>

int main(int count, char** words) {
  if (count < 7) {
    std::cerr << "portrait BASE IDENTITYNET ADAPTER IDENTITY.json OUT.png PROMPT "
                 "[WIDTH HEIGHT [STEPS]]\n";
    return 2;
  }
  try {
    semblance::Generator generator(
        {.base = words[1], .identitynet = words[2], .adapter = words[3]});
    const semblance::Person person = semblance::Person::load(words[4]);

    semblance::Settings settings{.prompt = words[6], .seed = 42};
    if (count > 8) {
      settings.width = std::atoi(words[7]);
      settings.height = std::atoi(words[8]);
    }
    if (count > 9) settings.steps = std::atoi(words[9]);

    semblance::Generation generation = generator.start(person, settings);
    for (const semblance::Step& step : generation.steps())
      std::cerr << "step " << step.index << " of " << step.count << '\n';
    generation.picture().save(words[5]);
    std::cout << words[5] << '\n';
  } catch (const semblance::Error& error) {
    std::cerr << "portrait: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
