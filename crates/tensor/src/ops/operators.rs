//! The operators `+ - * /` between tensors (owned or borrowed) and numbers, and unary `-`.

use super::number::{number_div, number_sub};
use crate::tensor::Tensor;
use std::ops::{Add, Div, Mul, Neg, Sub};

macro_rules! operator {
    ($trait:ident, $method:ident, |$number:ident, $x:ident| $number_first:expr) => {
        operator!(@tensors $trait, $method, Tensor, Tensor);
        operator!(@tensors $trait, $method, Tensor, &Tensor);
        operator!(@tensors $trait, $method, &Tensor, Tensor);
        operator!(@tensors $trait, $method, &Tensor, &Tensor);
        operator!(@number $trait, $method, Tensor, |$number, $x| $number_first);
        operator!(@number $trait, $method, &Tensor, |$number, $x| $number_first);
    };
    (@tensors $trait:ident, $method:ident, $left:ty, $right:ty) => {
        impl $trait<$right> for $left {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: $right) -> Tensor {
                let (a, b): (&Tensor, &Tensor) = (&self, &other);
                a.$method(b)
            }
        }
    };
    (@number $trait:ident, $method:ident, $tensor:ty, |$number:ident, $x:ident| $number_first:expr) => {
        impl $trait<f32> for $tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, number: f32) -> Tensor {
                Tensor::$method(&self, number)
            }
        }

        impl $trait<$tensor> for f32 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, tensor: $tensor) -> Tensor {
                let ($number, $x): (f32, &Tensor) = (self, &tensor);
                $number_first
            }
        }
    };
}

operator!(Add, add, |n, x| x.add(n));
operator!(Sub, sub, |n, x| number_sub(n, x));
operator!(Mul, mul, |n, x| x.mul(n));
operator!(Div, div, |n, x| number_div(n, x));

impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(&self)
    }
}

impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}
