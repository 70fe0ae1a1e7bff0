#include "backend/backends.h"
