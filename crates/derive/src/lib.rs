//! `#[derive(Module)]` for cresset: see `cresset_nn::Module`.

use proc_macro::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Expr, Field, Fields, LitStr, Result, parse_macro_input};

/// Makes a struct a module: every field takes part, in field order and under its own name.
///
/// Fields may be modules, parameters, buffers, `Option`, `Vec` or arrays of them, and plain settings. Mark a field
/// of any other type `#[module(skip)]`; `#[module(name = "0")]` gives a field another name in paths.
///
/// `kind()` is the struct's name; `#[module(kind = "...")]` on the struct gives another. Type parameters must be
/// fields themselves: `struct Residual<T> { body: T }` is a module for every module `T`.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<proc_macro2::TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(
            input.ident.span(),
            "Module can be derived for structs only: use Box<dyn Layer> where a model has a choice of modules",
        ));
    };
    let fields = match &data.fields {
        Fields::Named(named) => &named.named,
        Fields::Unit => &syn::punctuated::Punctuated::new(),
        Fields::Unnamed(fields) => {
            return Err(Error::new(
                fields.span(),
                "Module needs named fields: they become the keys of the state dict; use Sequential for a list of \
                 layers",
            ));
        }
    };

    let nn = nn_path();
    let mut visits = Vec::new();
    let mut visits_mut = Vec::new();
    for field in fields {
        let options = options(field)?;
        if options.skip {
            continue;
        }
        let ident = field.ident.as_ref().expect("named fields");
        let name = options.name.unwrap_or_else(|| ident.to_string());
        let name = name.strip_prefix("r#").unwrap_or(&name);
        // Spanned at the type, so that "cannot be a field of a module" points at the field.
        let ty = &field.ty;
        visits.push(quote_spanned! { ty.span() =>
            <#ty as #nn::Field>::visit_field(&self.#ident, #name, visitor);
        });
        visits_mut.push(quote_spanned! { ty.span() =>
            <#ty as #nn::Field>::visit_field_mut(&mut self.#ident, #name, visitor);
        });
    }

    let ident = &input.ident;
    let kind = kind(input)?;
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(syn::parse_quote!(#nn::Field));
        parameter.bounds.push(syn::parse_quote!(::core::marker::Send));
        parameter.bounds.push(syn::parse_quote!(::core::marker::Sync));
    }
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #nn::Module for #ident #ty_generics #where_clause {
            fn kind(&self) -> &'static str {
                #kind
            }
            #[allow(unused_variables)]
            fn visit(&self, visitor: &mut dyn #nn::Visitor) {
                #(#visits)*
            }
            #[allow(unused_variables)]
            fn visit_mut(&mut self, visitor: &mut dyn #nn::VisitorMut) {
                #(#visits_mut)*
            }
        }

        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #impl_generics #nn::Field for #ident #ty_generics #where_clause {
            fn visit_field(&self, name: &str, visitor: &mut dyn #nn::Visitor) {
                visitor.module(name, self);
            }
            fn visit_field_mut(&mut self, name: &str, visitor: &mut dyn #nn::VisitorMut) {
                visitor.module(name, self);
            }
        }
    })
}

/// Where the traits are: users depend on `cresset`, which re-exports them; cresset's own crates on `cresset-nn`.
fn nn_path() -> proc_macro2::TokenStream {
    match std::env::var("CARGO_PKG_NAME") {
        Ok(package) if package.starts_with("cresset") => quote!(::cresset_nn),
        _ => quote!(::cresset::nn),
    }
}

/// The expression after `#[module(kind = ...)]`, or the struct's name.
fn kind(input: &DeriveInput) -> Result<proc_macro2::TokenStream> {
    let name = input.ident.to_string();
    let mut kind = quote!(#name);
    for attribute in input.attrs.iter().filter(|a| a.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("kind") {
                let value: Expr = meta.value()?.parse()?;
                kind = quote!(#value);
                Ok(())
            } else {
                Err(meta.error("unknown option: the only one of a struct is `kind = \"...\"`"))
            }
        })?;
    }
    Ok(kind)
}

/// What `#[module(...)]` says of a field.
#[derive(Default)]
struct FieldOptions {
    /// The field takes no part.
    skip: bool,
    /// Its name in paths, where that is no Rust identifier: `"0"`.
    name: Option<String>,
}

fn options(field: &Field) -> Result<FieldOptions> {
    let mut options = FieldOptions::default();
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                options.skip = true;
                Ok(())
            } else if meta.path.is_ident("name") {
                options.name = Some(meta.value()?.parse::<LitStr>()?.value());
                Ok(())
            } else {
                Err(meta.error("unknown option: those of a field are `skip` and `name = \"...\"`"))
            }
        })?;
    }
    Ok(options)
}
