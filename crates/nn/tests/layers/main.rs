//! The layers: PyTorch's values and gradients, settings that make no sense, messages.

mod golden;
mod linear;
mod messages;
mod settings;
