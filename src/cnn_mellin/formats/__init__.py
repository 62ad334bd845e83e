"""Text formats that the field shares (trn, ctm, stm, speakers, symbols), and the rules for names in them."""
