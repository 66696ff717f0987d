//! Every op over a hundred random shapes, sizes 0 and 1 included where they are legal: its value and its gradients
//! against float64, within the tolerances of PyTorch's gradcheck.

mod check;
mod elementwise;
mod images;
mod losses;
mod oracle;
mod reductions;
mod shapes;
