#include "device/vulkan_facts.h"
