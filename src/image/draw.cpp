#include "image/draw.h"

#include <cmath>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "image/opencv.h"

namespace semblance {
namespace {

constexpr int kHalfWidth = 4;
constexpr int kRadius = 10;
constexpr std::size_t kNose = 2;
constexpr std::array<std::array<int, 3>, 5> kColours = {
    {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 0}, {255, 0, 255}}};
constexpr int kDarkened = 153;  // of 255, at 0.6

cv::Scalar colour_of(std::size_t i, int full) {
  std::array<int, 3> colour = kColours[i];
  for (int& part : colour) part = part * full / 255;
  return cv::Scalar(colour[0], colour[1], colour[2]);
}

}  // namespace

Image draw_keypoints(const Keypoints& keypoints, Size size) {
  check_keypoints(keypoints, "cannot draw the keypoint picture");
  Image image(size);
  cv::Mat canvas = view_of(image);
  const auto [nose_x, nose_y] = keypoints[kNose];
  for (std::size_t i = 0; i < keypoints.size(); ++i) {
    if (i == kNose) continue;
    // In float, as NumPy computes with float32 points; truncated to integers like Python's int().
    const auto [x, y] = keypoints[i];
    const float dx = x - nose_x;
    const float dy = y - nose_y;
    const float length = std::sqrt(dx * dx + dy * dy);
    const double degrees =
        std::atan2(static_cast<double>(dy), static_cast<double>(dx)) * (180.0 / CV_PI);
    const cv::Point centre(static_cast<int>((x + nose_x) / 2), static_cast<int>((y + nose_y) / 2));
    std::vector<cv::Point> outline;
    cv::ellipse2Poly(centre, cv::Size(static_cast<int>(length / 2), kHalfWidth),
                     static_cast<int>(degrees), 0, 360, 1, outline);
    // Nothing is drawn before the limbs, so they can use the darkened colour directly.
    cv::fillConvexPoly(canvas, outline, colour_of(i, kDarkened));
  }
  for (std::size_t i = 0; i < keypoints.size(); ++i) {
    const cv::Point centre(static_cast<int>(keypoints[i][0]), static_cast<int>(keypoints[i][1]));
    cv::circle(canvas, centre, kRadius, colour_of(i, 255), cv::FILLED);
  }
  return image;
}

}  // namespace semblance
